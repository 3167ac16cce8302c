"""What several tests share; no test is in here."""

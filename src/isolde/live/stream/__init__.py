"""From mixture blocks to what is heard, on time; it opens no devices."""

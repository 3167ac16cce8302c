"""What is measured: models, baselines, oracles and peers; it scores nothing."""

"""Separate samples in memory; the stems sum to them: python examples/separate_array.py."""

import numpy as np

import isolde

SAMPLE_RATE = 44_100  # Hz


def main() -> None:
    """Separate two seconds of a chord, and print how far the stems' sum is from it."""
    times = np.arange(2 * SAMPLE_RATE) / SAMPLE_RATE
    chord = sum(np.sin(2 * np.pi * f * times) for f in (220.0, 277.2, 329.6))
    mixture = np.stack([0.2 * chord, 0.2 * chord]).astype(np.float32)  # (n_channels, n_samples)
    stems = isolde.separate(mixture, sample_rate=SAMPLE_RATE)
    error = float(np.abs(sum(stems.values()) - mixture).max())
    print(f"stems {', '.join(stems)}; largest difference of their sum: {error:.1e}")


if __name__ == "__main__":
    main()

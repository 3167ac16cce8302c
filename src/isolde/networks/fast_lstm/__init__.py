"""LSTMs whose recurrence is one kernel on a GPU, taken where they prove right and faster."""

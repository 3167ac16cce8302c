"""LSTMs whose recurrence is one kernel on a GPU, used where tests find it right and faster."""

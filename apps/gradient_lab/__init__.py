"""The vanishing and the exploding gradient, measured and drawn, and what LSTM and clipping do about them."""

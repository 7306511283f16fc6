"""What more than one app needs: recurrent layers, training with clipped gradients, text, model folders."""

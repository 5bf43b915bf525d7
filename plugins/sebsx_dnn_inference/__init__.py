"""DNN inference: which environment serves a model best, and what that costs."""

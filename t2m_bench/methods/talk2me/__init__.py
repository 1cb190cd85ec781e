"""Talk2Me: audio-driven avatars with 3D Gaussian splatting. One module for each noun of the paper."""

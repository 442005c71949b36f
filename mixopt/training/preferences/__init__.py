"""What members learn from comparing their own answers: pairs, rewards, and objectives over them."""

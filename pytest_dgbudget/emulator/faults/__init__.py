"""What goes wrong on demand: which faults there are, whom they meet, and what each does to messages and bill."""

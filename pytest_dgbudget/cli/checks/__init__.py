"""What ``dgbudget doctor`` looks at: a module for each concern, whose functions return what they have found."""

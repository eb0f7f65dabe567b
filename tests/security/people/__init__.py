"""People: signing in, what each may do, and when that ends; the cases of the checklist by their ids."""

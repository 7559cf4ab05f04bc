# Nothing of it is looked at.

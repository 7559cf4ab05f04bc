# The tests read nothing of it.

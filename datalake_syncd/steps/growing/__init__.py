"""Growing data sets: when they are looked at, what may go, what the lake keeps of them."""

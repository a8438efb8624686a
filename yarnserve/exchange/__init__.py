"""One HTTP exchange with anybody: whatever the other side sends, it costs its deadline and a bounded room at most."""

//! Turns what the engine says into calls, and answers into what it hears.

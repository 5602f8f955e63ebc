//! What does the program mean?

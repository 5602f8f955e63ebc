//! How is a tensor seen over bytes? Nothing here knows pickle or files.

//! Which box is it, and which record is where? Nothing here knows pickle or torch.

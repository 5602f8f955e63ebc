//! What program is this? A pickle is decoded into a [`Graph`](graph::Graph) of what it would build; nothing is imported,
//! called or looked up, and nothing here knows torch.

pub(crate) mod graph;

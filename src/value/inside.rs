//! What a value holds: items, entries, attributes, and what an object was made with.

use super::{Key, Value};
use crate::pickle::graph::NodeId;
use crate::torch::{Entries, Meant, Opaque};

impl<'a> Value<'a> {
    /// How many items or entries a container has; `None` for what is not a container.
    ///
    /// ```
    /// let checkpoint = torch_checkpoint::LoadOptions::new().open("fixtures/zip/torch-2.15/root_tuple.pt")?;
    /// assert_eq!(checkpoint.root().len(), Some(3));
    /// assert_eq!(checkpoint.get("1").unwrap().len(), None); // a text
    /// # Ok::<(), torch_checkpoint::Error>(())
    /// ```
    #[must_use]
    pub fn len(&self) -> Option<usize> {
        match self.meant() {
            Meant::Dict(entries) => Some(entries.len()),
            Meant::List(items)
            | Meant::Tuple(items)
            | Meant::Size(items)
            | Meant::Set(items)
            | Meant::FrozenSet(items) => Some(items.len()),
            _ => None,
        }
    }

    /// Whether it is a container that holds nothing.
    ///
    /// ```
    /// let checkpoint = torch_checkpoint::LoadOptions::new().open("fixtures/zip/torch-2.15/containers.pt")?;
    /// assert!(checkpoint.get("empty_set").unwrap().is_empty());
    /// assert!(!checkpoint.get("set").unwrap().is_empty());
    /// # Ok::<(), torch_checkpoint::Error>(())
    /// ```
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == Some(0)
    }

    /// The value under a key of a mapping, at a position of a list or tuple, or of an attribute of an object.
    ///
    /// ```
    /// let checkpoint = torch_checkpoint::LoadOptions::new().open("fixtures/zip/torch-2.15/python_namespaces.pt")?;
    /// let tags = checkpoint.root().get("args").and_then(|args| args.get("tags")).unwrap();
    /// assert_eq!(tags.get(1).unwrap().as_str(), Some("b"));
    /// assert!(tags.get(2).is_none());
    /// # Ok::<(), torch_checkpoint::Error>(())
    /// ```
    #[must_use]
    pub fn get<'k>(&self, key: impl Into<Key<'k>>) -> Option<Value<'a>> {
        match (key.into(), self.meant()) {
            (Key::Text(wanted), Meant::Dict(entries)) => entries
                .iter()
                .find(|&(key, _)| self.program.text(key).is_some_and(|text| text == wanted))
                .map(|(_, v)| v),
            (Key::Int(wanted), Meant::Dict(entries)) => {
                entries.iter().find(|&(key, _)| self.at(key).as_i64() == Some(wanted)).map(|(_, v)| v)
            }
            (Key::Int(wanted), Meant::List(items) | Meant::Tuple(items) | Meant::Size(items)) => {
                usize::try_from(wanted).ok().and_then(|index| items.get(index).copied())
            }
            (Key::Text(wanted), Meant::Object(object)) => {
                let named = |&(key, _): &(NodeId, NodeId)| self.program.text(key).is_some_and(|text| text == wanted);
                let attribute = self.program.attributes(object.states).filter(named).last();
                attribute.or_else(|| object.entries.iter().copied().find(named)).map(|(_, value)| value)
            }
            (Key::Int(wanted), Meant::Object(object)) => {
                usize::try_from(wanted).ok().and_then(|index| object.items.get(index).copied())
            }
            _ => None,
        }
        .map(|node| self.at(node))
    }

    /// The items of a list, tuple, `torch.Size` or set; of an object what was appended to it (a `deque`'s items). Empty
    /// for anything else.
    ///
    /// ```
    /// let checkpoint = torch_checkpoint::LoadOptions::new().open("fixtures/zip/torch-2.15/python_namespaces.pt")?;
    /// let tags = checkpoint.get("args.tags").unwrap();
    /// assert!(tags.iter().map(|tag| tag.as_str().unwrap()).eq(["a", "b"]));
    /// # Ok::<(), torch_checkpoint::Error>(())
    /// ```
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Value<'a>> + use<'a> {
        let items = match self.meant() {
            Meant::List(items)
            | Meant::Tuple(items)
            | Meant::Size(items)
            | Meant::Set(items)
            | Meant::FrozenSet(items) => items,
            Meant::Object(object) => object.items,
            _ => &[],
        };
        let handle = *self;
        items.iter().map(move |&item| handle.at(item))
    }

    /// The entries of a mapping in insertion order; of an object those set in it like in a mapping. Empty for anything
    /// else.
    ///
    /// ```
    /// let checkpoint = torch_checkpoint::LoadOptions::new().open("fixtures/zip/torch-2.15/wrapped_state_dict.pt")?;
    /// let keys: Vec<&str> = checkpoint.root().entries().filter_map(|(key, _)| key.as_str()).collect();
    /// assert_eq!(keys, ["state_dict", "epoch", "arch", "best_prec1"]);
    /// # Ok::<(), torch_checkpoint::Error>(())
    /// ```
    pub fn entries(&self) -> impl Iterator<Item = (Value<'a>, Value<'a>)> + use<'a> {
        let (dict, set): (Option<Entries<'a>>, &'a [(NodeId, NodeId)]) = match self.meant() {
            Meant::Dict(entries) => (Some(entries), &[]),
            Meant::Object(object) => (None, object.entries),
            _ => (None, &[]),
        };
        let handle = *self;
        dict.into_iter()
            .flat_map(Entries::iter)
            .chain(set.iter().copied())
            .map(move |(key, value)| (handle.at(key), handle.at(value)))
    }

    /// The attributes of an object, or of an `OrderedDict` that has some (`_metadata`), in order.
    ///
    /// ```
    /// let checkpoint = torch_checkpoint::LoadOptions::new().open("fixtures/zip/torch-2.15/containers.pt")?;
    /// let namespace = checkpoint.get("namespace").unwrap();
    /// assert!(namespace.attributes().map(|(name, _)| name.as_str().unwrap()).eq(["w", "lr"]));
    /// # Ok::<(), torch_checkpoint::Error>(())
    /// ```
    pub fn attributes(&self) -> impl Iterator<Item = (Value<'a>, Value<'a>)> + use<'a> {
        let handle = *self;
        self.program
            .attributes(self.program.states(self.node))
            .map(move |(key, value)| (handle.at(key), handle.at(value)))
    }

    /// The state that an object was given, if it is not a set of attributes: as pickled.
    ///
    /// ```
    /// let checkpoint = torch_checkpoint::LoadOptions::new().open("fixtures/zip/torch-2.15/python_objects.pt")?;
    /// let state = checkpoint.get("list_state").unwrap().state().unwrap(); // what `__getstate__` gave
    /// assert_eq!(state.get(1).unwrap().as_str(), Some("two"));
    /// # Ok::<(), torch_checkpoint::Error>(())
    /// ```
    #[must_use]
    pub fn state(&self) -> Option<Value<'a>> {
        self.program.states(self.node).last().map(|&state| self.at(state))
    }

    /// The arguments that an object was made with.
    ///
    /// ```
    /// let checkpoint = torch_checkpoint::LoadOptions::new().open("fixtures/zip/torch-2.15/python_numbers.pt")?;
    /// let fraction = checkpoint.get("fraction").unwrap(); // -3/7
    /// assert!(fraction.args().map(|arg| arg.as_i64().unwrap()).eq([-3, 7]));
    /// # Ok::<(), torch_checkpoint::Error>(())
    /// ```
    pub fn args(&self) -> impl ExactSizeIterator<Item = Value<'a>> + use<'a> {
        let args = self.opaque().map(|object| object.args).unwrap_or_default();
        let handle = *self;
        args.iter().map(move |&arg| handle.at(arg))
    }

    /// The keyword arguments that an object was made with, as a mapping.
    ///
    /// ```
    /// // What `pickle.dumps` gives for an object that wants `C.__new__(C, lr=5)`.
    /// let pickle = b"\x80\x04cm\nC\n)}\x8c\x02lrK\x05s\x92.";
    /// let checkpoint = torch_checkpoint::LoadOptions::new().open_bytes(pickle)?;
    /// assert_eq!(checkpoint.root().kwargs().unwrap().get("lr").unwrap().as_i64(), Some(5));
    /// # Ok::<(), torch_checkpoint::Error>(())
    /// ```
    #[must_use]
    pub fn kwargs(&self) -> Option<Value<'a>> {
        self.opaque()?.kwargs.map(|kwargs| self.at(kwargs))
    }

    /// Whether two handles are on the very same object, as Python's `is`.
    ///
    /// ```
    /// let checkpoint = torch_checkpoint::LoadOptions::new().open("fixtures/zip/torch-2.15/recursive.pt")?;
    /// let list = checkpoint.get("list").unwrap(); // its third item is the list
    /// assert!(list.get(2).unwrap().is(&list));
    /// assert!(!list.get(1).unwrap().is(&list));
    /// # Ok::<(), torch_checkpoint::Error>(())
    /// ```
    #[must_use]
    pub fn is(&self, other: &Value<'_>) -> bool {
        std::ptr::eq(self.program, other.program) && self.node == other.node
    }

    fn opaque(&self) -> Option<Opaque<'a>> {
        match self.meant() {
            Meant::Object(object) => Some(object),
            _ => None,
        }
    }
}

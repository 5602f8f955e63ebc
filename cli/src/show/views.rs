//! What `show` shows besides the plain listing, and which part of it in which order.

use clap::{Args, ValueEnum};
use serde::Serialize;
use torch_checkpoint::{Kind, ListedValue, Listing};

use super::stats::Stats;
use super::{Joined, stored_bytes};
use crate::names::{Filter, in_order};
use crate::totals::wide;

/// The options.
#[derive(Clone, Debug, Args)]
pub(crate) struct Views {
    /// The order of the tensors: as in the file, by name (numbers as numbers), or by size, the largest first
    #[arg(long, value_enum, value_name = "ORDER", default_value_t = Order::File)]
    pub(crate) sort: Order,
    /// Show the modules as a tree, with what each comes to
    #[arg(long)]
    pub(crate) tree: bool,
    /// How many levels of modules the tree shows
    #[arg(long, value_name = "LEVELS", requires = "tree", conflicts_with = "json")]
    pub(crate) depth: Option<usize>,
    /// Read every tensor and show minimum, maximum, mean, standard deviation, the share of zeros, how many NaN and
    /// infinities there are, and a histogram
    ///
    /// All but the counts are of the finite numbers. The standard deviation is with n - 1, as torch.std; the histogram has 12
    /// bins from minimum to maximum, as torch.histc counts. Complex numbers count by their absolute values, quantised ones by
    /// what they stand for, nested and sparse tensors with all their elements.
    #[arg(long)]
    pub(crate) stats: bool,
    /// Show the names that share a storage: tied weights, and views of one buffer
    #[arg(long)]
    pub(crate) tied: bool,
}

/// The order of tensors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Order {
    File,
    Name,
    Size,
}

impl Views {
    /// Whether the plain listing is wanted.
    pub(crate) fn are_plain(&self) -> bool {
        !self.tree && !self.stats && !self.tied
    }
}

/// What is shown with the listing.
pub(crate) struct Extras<'a> {
    pub(crate) views: &'a Views,
    /// Those of the listing's tensors, in order, if they are wanted.
    pub(crate) stats: Option<Vec<Option<Stats>>>,
    /// How many the filter has taken out, if there is one.
    pub(crate) left_out: Option<LeftOut>,
}

/// How many leaves a filter has taken out of a listing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct LeftOut {
    pub(crate) tensors: usize,
    pub(crate) values: usize,
}

/// Takes from a listing what is not wanted, and orders the rest.
pub(crate) fn select(listing: &mut Listing<'_>, filter: &Filter, order: Order) -> Option<LeftOut> {
    let mut left_out = LeftOut::default();
    if !filter.takes_all() {
        listing.leaves.retain(|leaf| {
            let taken = filter.takes(&Joined(&leaf.path).to_string());
            let number = if is_tensor(leaf) { &mut left_out.tensors } else { &mut left_out.values };
            *number = number.saturating_add(usize::from(!taken));
            taken
        });
    }
    match order {
        Order::File => {}
        // Values stay behind the tensors, in the order of the file.
        Order::Name => listing.leaves.sort_by_cached_key(|leaf| Named::of(leaf)),
        Order::Size => listing.leaves.sort_by_cached_key(|leaf| {
            let bytes = leaf.value.as_tensor().map(|tensor| wide(stored_bytes(tensor)));
            std::cmp::Reverse(bytes)
        }),
    }
    (!filter.takes_all()).then_some(left_out)
}

fn is_tensor(leaf: &ListedValue<'_>) -> bool {
    leaf.value.kind() == Kind::Tensor
}

/// A name to sort by; that of a value comes last.
#[derive(PartialEq, Eq)]
struct Named(Option<String>);

impl Named {
    fn of(leaf: &ListedValue<'_>) -> Self {
        Self(is_tensor(leaf).then(|| Joined(&leaf.path).to_string()))
    }
}

impl Ord for Named {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        match (&self.0, &other.0) {
            (Some(a), Some(b)) => in_order(a, b),
            (a, b) => b.is_some().cmp(&a.is_some()),
        }
    }
}

impl PartialOrd for Named {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

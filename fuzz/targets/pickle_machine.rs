//! The pickle machine alone: bytes to a graph. Fast, so that it sees many programs.
#![no_main]

use libfuzzer_sys::fuzz_target;
use torch_checkpoint::Limits;
use torch_checkpoint::fuzzing::decode_pickle;

fuzz_target!(|bytes: &[u8]| {
    let mut limits = Limits::default();
    limits.nodes = 100_000;
    if let Ok(machine) = decode_pickle(bytes, &limits) {
        assert_eq!(machine.consumed, machine.measured);
        // What follows the pickle does not matter.
        let alone = decode_pickle(&bytes[..machine.consumed], &limits).expect("the pickle without what follows it");
        assert_eq!((alone.consumed, alone.nodes), (machine.consumed, machine.nodes));
    }
});

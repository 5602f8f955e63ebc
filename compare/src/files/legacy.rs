//! Legacy streams, as `torch.save` wrote up to torch 1.5 and still does on request.

use std::io::Write;

use crate::Result;
use crate::files::numbers::Numbers;
use crate::files::objects::Ids;
use crate::files::pickle::{Protocol, Writer};
use crate::files::weights::View;

/// 0x1950A86A20F9469CFC6C
const MAGIC: [u8; 10] = [0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];

/// Five pickles (a magic number, the version, facts of the machine, the object, the keys of its storages), then of each
/// storage its count of elements and its data. `object` is pickled with ids that are addresses; `storages` are views, one
/// for each.
pub fn write(object: &[u8], storages: &[&View], numbers: &Numbers, out: &mut impl Write) -> Result {
    let mut keyed: Vec<(String, &View)> = storages.iter().map(|&view| (Ids::Addresses.key(view), view)).collect();
    keyed.sort_by(|(a, _), (b, _)| a.cmp(b));
    out.write_all(&pickled(|writer| writer.long(&MAGIC)))?;
    out.write_all(&pickled(|writer| writer.int(1001)))?;
    out.write_all(&pickled(facts))?;
    out.write_all(object)?;
    out.write_all(&pickled(|writer| {
        writer.list(&keyed, |writer, (key, _)| {
            writer.fresh(key);
        });
    }))?;
    for (_, view) in keyed {
        // Of a storage without a dtype torch counts the bytes.
        let typed = view.element.storage_class().is_some();
        let count = if typed { view.storage_numel } else { view.storage_nbytes() };
        out.write_all(&count.to_le_bytes())?;
        out.write_all(numbers.storage(view))?;
    }
    Ok(())
}

fn pickled(write: impl FnOnce(&mut Writer)) -> Vec<u8> {
    let mut writer = Writer::new(Protocol::Two);
    write(&mut writer);
    writer.finish()
}

fn facts(writer: &mut Writer) {
    let mut sizes = |writer: &mut Writer| {
        writer.fields(&mut [
            ("short", &mut |writer| writer.int(2)),
            ("int", &mut |writer| writer.int(4)),
            ("long", &mut |writer| writer.int(4)),
        ]);
    };
    writer.fields(&mut [
        ("protocol_version", &mut |writer| writer.int(1001)),
        ("little_endian", &mut |writer| writer.bool(true)),
        ("type_sizes", &mut sizes),
    ]);
}

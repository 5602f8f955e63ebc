//! The 68 opcodes of pickle protocols 0 to 5, named as Python's `pickletools` names them.

/// What follows an opcode's byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Argument {
    None,
    U8,
    U16,
    I32,
    U32,
    U64,
    /// The one big-endian number of the format.
    F64BigEndian,
    /// Text up to a newline.
    Line,
    TwoLines,
    /// A length and that many bytes.
    Counted8,
    Counted32,
    /// As `Counted32`, with a signed length: a negative one is an error.
    CountedI32,
    Counted64,
}

macro_rules! opcodes {
    ($($variant:ident $name:ident $byte:literal $protocol:literal $argument:ident;)*) => {
        /// An opcode; its value is its byte.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub(super) enum Opcode {
            $($variant = $byte,)*
        }

        impl Opcode {
            #[inline(always)]
            pub(super) const fn from_byte(byte: u8) -> Option<Self> {
                match byte {
                    $($byte => Some(Self::$variant),)*
                    _ => None,
                }
            }

            pub(super) const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => stringify!($name),)*
                }
            }

            pub(super) const fn argument(self) -> Argument {
                match self {
                    $(Self::$variant => Argument::$argument,)*
                }
            }

            /// Every opcode, with the protocol that introduced it.
            #[cfg(test)]
            pub(super) const ALL: &[(Self, u8)] = &[$((Self::$variant, $protocol),)*];
        }
    };
}

opcodes! {
    Mark MARK 0x28 0 None;
    EmptyTuple EMPTY_TUPLE 0x29 1 None;
    Stop STOP 0x2e 0 None;
    Pop POP 0x30 0 None;
    PopMark POP_MARK 0x31 1 None;
    Dup DUP 0x32 0 None;
    BinBytes BINBYTES 0x42 3 Counted32;
    ShortBinBytes SHORT_BINBYTES 0x43 3 Counted8;
    Float FLOAT 0x46 0 Line;
    BinFloat BINFLOAT 0x47 1 F64BigEndian;
    Int INT 0x49 0 Line;
    BinInt BININT 0x4a 1 I32;
    BinInt1 BININT1 0x4b 1 U8;
    Long LONG 0x4c 0 Line;
    BinInt2 BININT2 0x4d 1 U16;
    None NONE 0x4e 0 None;
    PersId PERSID 0x50 0 Line;
    BinPersId BINPERSID 0x51 1 None;
    Reduce REDUCE 0x52 0 None;
    String STRING 0x53 0 Line;
    BinString BINSTRING 0x54 1 CountedI32;
    ShortBinString SHORT_BINSTRING 0x55 1 Counted8;
    Unicode UNICODE 0x56 0 Line;
    BinUnicode BINUNICODE 0x58 1 Counted32;
    EmptyList EMPTY_LIST 0x5d 1 None;
    Append APPEND 0x61 0 None;
    Build BUILD 0x62 0 None;
    Global GLOBAL 0x63 0 TwoLines;
    Dict DICT 0x64 0 None;
    Appends APPENDS 0x65 1 None;
    Get GET 0x67 0 Line;
    BinGet BINGET 0x68 1 U8;
    Inst INST 0x69 0 TwoLines;
    LongBinGet LONG_BINGET 0x6a 1 U32;
    List LIST 0x6c 0 None;
    Obj OBJ 0x6f 1 None;
    Put PUT 0x70 0 Line;
    BinPut BINPUT 0x71 1 U8;
    LongBinPut LONG_BINPUT 0x72 1 U32;
    SetItem SETITEM 0x73 0 None;
    Tuple TUPLE 0x74 0 None;
    SetItems SETITEMS 0x75 1 None;
    EmptyDict EMPTY_DICT 0x7d 1 None;
    Proto PROTO 0x80 2 U8;
    NewObj NEWOBJ 0x81 2 None;
    Ext1 EXT1 0x82 2 U8;
    Ext2 EXT2 0x83 2 U16;
    Ext4 EXT4 0x84 2 I32;
    Tuple1 TUPLE1 0x85 2 None;
    Tuple2 TUPLE2 0x86 2 None;
    Tuple3 TUPLE3 0x87 2 None;
    NewTrue NEWTRUE 0x88 2 None;
    NewFalse NEWFALSE 0x89 2 None;
    Long1 LONG1 0x8a 2 Counted8;
    Long4 LONG4 0x8b 2 CountedI32;
    ShortBinUnicode SHORT_BINUNICODE 0x8c 4 Counted8;
    BinUnicode8 BINUNICODE8 0x8d 4 Counted64;
    BinBytes8 BINBYTES8 0x8e 4 Counted64;
    EmptySet EMPTY_SET 0x8f 4 None;
    AddItems ADDITEMS 0x90 4 None;
    FrozenSet FROZENSET 0x91 4 None;
    NewObjEx NEWOBJ_EX 0x92 4 None;
    StackGlobal STACK_GLOBAL 0x93 4 None;
    Memoize MEMOIZE 0x94 4 None;
    Frame FRAME 0x95 4 U64;
    ByteArray8 BYTEARRAY8 0x96 5 Counted64;
    NextBuffer NEXT_BUFFER 0x97 5 None;
    ReadOnlyBuffer READONLY_BUFFER 0x98 5 None;
}

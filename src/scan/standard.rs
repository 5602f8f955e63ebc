//! Whose module is it? The names of modules that come with Python, whichever release: 2.7 to 3.14, the private ones and those
//! of single systems included, and what every installation has beside them.

/// Where a module comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// Python itself, pip or setuptools.
    Python,
    /// torch, with the packages that it installs beside itself.
    Torch,
    Numpy,
    /// Anybody else.
    Elsewhere,
}

impl Origin {
    /// Of a module as pickled.
    pub(super) fn of(module: &str) -> Self {
        let top = module.split('.').next().unwrap_or_default();
        match top {
            "torch" | "functorch" | "torchgen" | "caffe2" => Self::Torch,
            "numpy" => Self::Numpy,
            _ if is_python(top) => Self::Python,
            _ => Self::Elsewhere,
        }
    }

    /// In words that complete "of …".
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Python => "Python's standard library",
            Self::Torch => "torch",
            Self::Numpy => "numpy",
            Self::Elsewhere => "another package",
        }
    }
}

/// Whether a top-level module comes with every Python, of some release.
pub(super) fn is_python(top: &str) -> bool {
    // No module has an empty name: what begins with a dot is no honest name.
    top.is_empty() || INSTALLERS.contains(&top) || STANDARD_LIBRARY.binary_search(&top).is_ok()
}

/// What is installed wherever Python is.
const INSTALLERS: [&str; 6] = ["pip", "setuptools", "pkg_resources", "wheel", "_distutils_hack", "ensurepip"];

/// `sys.stdlib_module_names` and `sys.builtin_module_names` of Python 3.10 to 3.14, and the library's folders of 2.7 to 3.9,
/// sorted. Python 3 itself still maps names of Python 2 to its own when it reads protocols 0 to 2 (`commands.getoutput` is
/// `subprocess.getoutput`).
#[rustfmt::skip]
const STANDARD_LIBRARY: [&str; 481] = [
    "BaseHTTPServer", "Bastion", "CGIHTTPServer", "Canvas", "Carbon", "ColorPicker", "ConfigParser", "Cookie",
    "Dialog", "DocXMLRPCServer", "EasyDialogs", "FCNTL", "FileDialog", "FixTk", "FrameWork", "HTMLParser", "MacOS",
    "MimeWriter", "MiniAEFrame", "PixMapWrapper", "Queue", "ScrolledText", "SimpleDialog", "SimpleHTTPServer",
    "SimpleXMLRPCServer", "SocketServer", "StringIO", "TERMIOS", "Tix", "Tkconstants", "Tkdnd", "Tkinter",
    "UserDict", "UserList", "UserString", "_LWPCookieJar", "_MozillaCookieJar", "__builtin__", "__future__",
    "__hello__", "_abc", "_abcoll", "_aix_support", "_android_support", "_apple_support", "_ast", "_ast_unparse",
    "_asyncio", "_bisect", "_blake2", "_bootlocale", "_bootsubprocess", "_bsddb", "_bz2", "_codecs", "_codecs_cn",
    "_codecs_hk", "_codecs_iso2022", "_codecs_jp", "_codecs_kr", "_codecs_tw", "_collections", "_collections_abc",
    "_colorize", "_compat_pickle", "_compression", "_contextvars", "_crypt", "_csv", "_ctypes", "_ctypes_test",
    "_curses", "_curses_panel", "_datetime", "_dbm", "_decimal", "_dummy_thread", "_elementtree",
    "_frozen_importlib", "_frozen_importlib_external", "_functools", "_gdbm", "_hashlib", "_heapq", "_hmac",
    "_hotshot", "_imp", "_interpchannels", "_interpqueues", "_interpreters", "_io", "_ios_support", "_json",
    "_locale", "_lsprof", "_lzma", "_markupbase", "_md5", "_msi", "_multibytecodec", "_multiprocessing", "_opcode",
    "_opcode_metadata", "_operator", "_osx_support", "_overlapped", "_peg_parser", "_pickle", "_posixshmem",
    "_posixsubprocess", "_py_abc", "_py_warnings", "_pydatetime", "_pydecimal", "_pyio", "_pylong", "_pyrepl",
    "_queue", "_random", "_remote_debugging", "_scproxy", "_sha", "_sha1", "_sha2", "_sha256", "_sha3", "_sha512",
    "_signal", "_sitebuiltins", "_socket", "_sqlite3", "_sre", "_ssl", "_stat", "_statistics", "_string",
    "_strptime", "_struct", "_subprocess", "_suggestions", "_symtable", "_sysconfig", "_testbuffer", "_testcapi",
    "_testclinic", "_testclinic_limited", "_testexternalinspection", "_testimportmultiple", "_testinternalcapi",
    "_testlimitedcapi", "_testmultiphase", "_testsinglephase", "_thread", "_threading_local", "_tkinter",
    "_tokenize", "_tracemalloc", "_types", "_typing", "_tzpath", "_uuid", "_warnings", "_weakref", "_weakrefset",
    "_winapi", "_winreg", "_wmi", "_xxinterpchannels", "_xxsubinterpreters", "_zoneinfo", "_zstd", "abc", "aepack",
    "aetools", "aetypes", "aifc", "annotationlib", "antigravity", "anydbm", "applesingle", "argparse", "array",
    "ast", "asynchat", "asyncio", "asyncore", "atexit", "audiodev", "audioop", "base64", "bdb", "binascii",
    "binhex", "bisect", "bsddb", "bsddb185", "buildtools", "builtins", "bz2", "cPickle", "cProfile", "cStringIO",
    "calendar", "cfmfile", "cgi", "cgitb", "chunk", "cmath", "cmd", "code", "codecs", "codeop", "collections",
    "colorsys", "commands", "compileall", "compiler", "compression", "concurrent", "configparser", "contextlib",
    "contextvars", "cookielib", "copy", "copy_reg", "copyreg", "crypt", "csv", "ctypes", "curses", "dataclasses",
    "datetime", "dbhash", "dbm", "decimal", "difflib", "dircache", "dis", "distutils", "dl", "doctest", "dumbdbm",
    "dummy_thread", "dummy_threading", "email", "encodings", "ensurepip", "enum", "errno", "exceptions",
    "faulthandler", "fcntl", "filecmp", "fileinput", "findertools", "fnmatch", "formatter", "fpformat", "fractions",
    "ftplib", "functools", "future_builtins", "gc", "genericpath", "gensuitemodule", "getopt", "getpass", "gettext",
    "glob", "graphlib", "grp", "gzip", "hashlib", "heapq", "hmac", "hotshot", "html", "htmlentitydefs", "htmllib",
    "http", "httplib", "idlelib", "ihooks", "imageop", "imaplib", "imgfile", "imghdr", "imp", "importlib",
    "imputil", "inspect", "io", "ipaddress", "itertools", "json", "keyword", "lib2to3", "linecache",
    "linuxaudiodev", "locale", "logging", "lzma", "macerrors", "macostools", "macpath", "macresource",
    "macurl2path", "mailbox", "mailcap", "markupbase", "marshal", "math", "md5", "mhlib", "mimetools", "mimetypes",
    "mimify", "mmap", "modulefinder", "msilib", "msvcrt", "multifile", "multiprocessing", "mutex", "netrc", "new",
    "nis", "nntplib", "nt", "ntpath", "nturl2path", "numbers", "opcode", "operator", "optparse", "os", "os2emxpath",
    "ossaudiodev", "parser", "pathlib", "pdb", "pickle", "pickletools", "pipes", "pkgutil", "platform", "plistlib",
    "popen2", "poplib", "posix", "posixfile", "posixpath", "pprint", "profile", "pstats", "pty", "pwd",
    "py_compile", "pyclbr", "pydoc", "pydoc_data", "pyexpat", "queue", "quopri", "random", "re", "readline", "repr",
    "reprlib", "resource", "rexec", "rfc822", "riscos", "riscospath", "rlcompleter", "robotparser", "rourl2path",
    "runpy", "sched", "secrets", "select", "selectors", "sets", "sgmllib", "sha", "shelve", "shlex", "shutil",
    "signal", "site", "smtpd", "smtplib", "sndhdr", "socket", "socketserver", "spwd", "sqlite3", "sre",
    "sre_compile", "sre_constants", "sre_parse", "ssl", "stat", "statistics", "statvfs", "string", "stringold",
    "stringprep", "strop", "struct", "subprocess", "sunau", "sunaudio", "sunaudiodev", "symbol", "symtable", "sys",
    "sysconfig", "syslog", "tabnanny", "tarfile", "telnetlib", "tempfile", "termios", "test", "textwrap", "this",
    "thread", "threading", "time", "timeit", "tkColorChooser", "tkCommonDialog", "tkFileDialog", "tkFont",
    "tkMessageBox", "tkSimpleDialog", "tkinter", "toaiff", "token", "tokenize", "tomllib", "trace", "traceback",
    "tracemalloc", "ttk", "tty", "turtle", "turtledemo", "types", "typing", "unicodedata", "unittest", "urllib",
    "urllib2", "urlparse", "user", "uu", "uuid", "venv", "videoreader", "warnings", "wave", "weakref", "webbrowser",
    "whichdb", "winreg", "winsound", "wsgiref", "xdrlib", "xml", "xmllib", "xmlrpc", "xmlrpclib", "xxlimited",
    "xxlimited_35", "zipapp", "zipfile", "zipimport", "zlib", "zoneinfo",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_sorted_for_the_search() {
        assert!(STANDARD_LIBRARY.is_sorted());
    }

    #[test]
    fn modules_are_told_by_their_first_part() {
        assert_eq!(Origin::of("os.path"), Origin::Python);
        assert_eq!(Origin::of("_pyrepl.console"), Origin::Python);
        assert_eq!(Origin::of("pip._internal.cli.main"), Origin::Python);
        assert_eq!(Origin::of("commands"), Origin::Python);
        assert_eq!(Origin::of(".os"), Origin::Python);
        assert_eq!(Origin::of("torch._utils"), Origin::Torch);
        assert_eq!(Origin::of("numpy"), Origin::Numpy);
        assert_eq!(Origin::of("torchvision.models"), Origin::Elsewhere);
        assert_eq!(Origin::of("__main__"), Origin::Elsewhere);
        assert_eq!(Origin::of("osprey"), Origin::Elsewhere);
    }
}

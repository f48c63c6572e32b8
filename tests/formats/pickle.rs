//! The reader of pickles.

use crate::made::misuse;
use crate::tensors::open;
use a2d_interop::tensors::pickle::Pickle;
use a2d_tests::helpers::tensor_files as files;
use zip::CompressionMethod::Stored;

/// The refusal of a model whose `data.pkl` is this.
fn refusal(pickle: &[u8]) -> String {
    let bytes = files::archive(&[("archive/data.pkl".into(), pickle.to_vec())], Stored);
    misuse(open(&bytes).err().unwrap())
}

#[test]
fn names_that_could_run_something_are_refused() {
    for (pickle, name) in [
        (&b"\x80\x02cposix\nsystem\nX\x02\x00\x00\x00id\x85R."[..], "posix.system"),
        (b"\x80\x02c__builtin__\neval\nX\x01\x00\x00\x001\x85R.", "__builtin__.eval"),
        (b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x02id\x85R.", "os.system"),
        (b"\x80\x02cargparse\nNamespace\n)\x81.", "argparse.Namespace"),
        (b"\x80\x02ctorch\nload\n)R.", "torch.load"),
        (b"\x80\x02ctorch._utils\n_rebuild_qtensor\n)R.", "torch._utils._rebuild_qtensor"),
        (b"\x80\x02c\x1b[31m\nred\n)R.", "\\u{1b}[31m.red"),
    ] {
        let text = refusal(pickle);
        assert!(text.contains(&format!("needs `{name}`: ")), "{text}");
    }
}

#[test]
fn instructions_that_tensors_do_not_need_are_refused() {
    // Of protocols 0 and 1, of classes, extensions, sets and buffers.
    for op in b"0125678fgilopFILPSVW"
        .iter()
        .chain(b"\x81\x82\x83\x84\x8b\x8d\x8e\x8f\x90\x91\x92\x96\x97\x98")
    {
        let text = refusal(&[0x80, 2, *op, 0, 0, 0, 0, 0, 0, 0, 0, b'.']);
        assert!(text.contains(&format!("the pickle instruction {op:#04x} at 2")), "{text}");
    }
    assert!(refusal(b"\x80\x00.").contains("protocol 0"));
}

#[test]
fn what_is_no_state_is_refused() {
    for (pickle, expected) in [
        (&b"\x80\x02N."[..], "no dictionary of tensors"),
        (b"\x80\x02}X\x01\x00\x00\x00aK\x01s.", "holds `a`, which is no tensor"),
        (b"\x80\x02}K\x01K\x01s.", "describes a name"),
        (b"\x80\x02.", "do not fit together"),
        (b"\x80\x02(.", "do not fit together"),
        (b"\x80\x02N(0.", "0x30"),
        (b"\x80\x02N(R.", "do not fit together"),
        (b"\x80\x02h\x07.", "do not fit together"),
        (b"\x80\x02}(K\x01u.", "do not fit together"),
        (b"\x80\x02\x8a\xff.", "ends inside its pickle"),
        (b"\x80\x02X\xff\xff\xff\x7f.", "ends inside its pickle"),
        (b"\x80\x02X\x02\x00\x00\x00\xff\xfe.", "not UTF-8"),
        (b"\x80\x02Nb.", "do not fit together"),
        (b"\x80\x02K\x01NNb.", "attributes"),
    ] {
        let text = refusal(pickle);
        assert!(text.contains(expected), "{text}");
    }
}

#[test]
fn depth_and_size_are_bounded() {
    // Neither nesting nor a list that holds itself makes anything recurse.
    for nested in [
        [&b"\x80\x02N"[..], &b"\x85".repeat(900_000), b"."].concat(),
        b"\x80\x02]q\x00h\x00a.".to_vec(),
    ] {
        assert!(refusal(&nested).contains("no dictionary of tensors"));
    }
    let many = [&b"\x80\x02"[..], &b"N".repeat(2_000_000), b"."].concat();
    assert!(refusal(&many).contains("more than 1048576 values"));
}

#[test]
fn values_keep_their_meaning() {
    let pickle =
        Pickle::read(b"\x80\x02(K\x05M\x01\x02J\xff\xff\xff\xff\x8a\x01\x80\x8a\x00t.rest")
            .unwrap();
    let numbers: Vec<_> =
        pickle.parts(pickle.root).unwrap().iter().map(|id| pickle.get(*id).clone()).collect();
    let expected = [5, 0x201, -1, -128, 0].map(a2d_interop::tensors::pickle::Value::Int);
    assert_eq!((numbers.as_slice(), pickle.len), (&expected[..], 20));
}

//! Fuzz target: files of tensors, above all PyTorch's, which hold pickles.

use a2d_interop::tensors::Tensors;
use a2d_interop::tensors::pickle::Pickle;
use std::io::Cursor;
use std::path::Path;

/// Reads a file of tensors, and all that it has. Returns whether it is valid.
pub fn pickle(data: &[u8]) -> bool {
    // Without what stands around them, pickles are found faster.
    if let Err(why) = Pickle::read(data) {
        assert!(!why.contains('\n'));
    }
    let mut file = match Tensors::read(Path::new("file"), Box::new(Cursor::new(data.to_vec()))) {
        Ok(file) => file,
        Err(error) => {
            assert!(!error.to_string().contains('\n'));
            return false;
        }
    };
    let names: Vec<String> = file.names().map(String::from).collect();
    let mut total = 0;
    for name in names {
        let shape = file.entry(&name).expect("a tensor of this name").shape.clone();
        match file.values(&name, &shape) {
            Ok(values) => {
                assert_eq!(values.len(), shape.iter().product::<usize>());
                total += values.len();
            }
            Err(error) => assert!(!error.to_string().contains('\n')),
        }
    }
    assert!(total <= 16 * data.len() + (1 << 20), "{total} values from {} bytes", data.len());
    true
}

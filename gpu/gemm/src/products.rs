//! The choice of what computes products: the vendor's library or cubek.

use crate::lt::{self, Lt};
use crate::{Client, Epilogue, Product};
use a2d_device::Device;
use std::fmt;

/// What computes the products of a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum By {
    /// cuBLASLt of this version.
    CublasLt(String),
    /// cubek's kernels; and why not cuBLASLt, where that is missed.
    Cubek(Option<String>),
}

impl By {
    /// What computes the products of a device, before it is opened.
    pub fn of(device: Device) -> Self {
        match device {
            Device::Cuda(_) => lt::found(),
            _ => Self::Cubek(None),
        }
    }

    /// One line that says why cuBLASLt is not used, where it is missed.
    pub fn note(&self) -> Option<String> {
        let Self::Cubek(Some(why)) = self else { return None };
        Some(format!("{why}: matrix products are computed by cubek"))
    }
}

impl fmt::Display for By {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::CublasLt(version) => write!(f, "cuBLASLt {version}"),
            Self::Cubek(_) => f.write_str("cubek"),
        }
    }
}

/// The products of a device. Those of cuBLASLt are computed on the thread that has opened it alone.
pub struct Products {
    by: By,
    library: Option<Lt>,
}

impl Products {
    /// The products of `device`, which `client` has opened.
    pub fn open(client: &Client, device: Device) -> Self {
        let by = By::of(device);
        if let By::Cubek(_) = by {
            return Self { by, library: None };
        }
        match Lt::open(client, device) {
            Ok(library) => Self { by, library: Some(library) },
            Err(why) => {
                Self { by: By::Cubek(Some(format!("{by} is not used: {why}"))), library: None }
            }
        }
    }

    /// What computes them.
    pub fn by(&self) -> &By {
        &self.by
    }

    /// Launches a product by the library if that computes it, and returns whether it does.
    pub fn launch_by_library(&self, product: &Product<'_>, epilogue: &Epilogue<'_>) -> bool {
        self.library.as_ref().is_some_and(|library| library.launch(product, epilogue))
    }

    /// Launches a product by the library, or else by cubek.
    ///
    /// # Errors
    ///
    /// No kernel of this device computes it: why each refused.
    pub fn launch(&self, client: &Client, product: &Product<'_>) -> Result<(), String> {
        if self.launch_by_library(product, &Epilogue::default()) {
            return Ok(());
        }
        product.launch(client)
    }

    /// The number of products that were launched by the library.
    pub fn launched(&self) -> usize {
        self.library.as_ref().map_or(0, Lt::launched)
    }

    /// The first failure of the library.
    pub fn failure(&self) -> Option<&str> {
        self.library.as_ref().and_then(Lt::failure)
    }
}

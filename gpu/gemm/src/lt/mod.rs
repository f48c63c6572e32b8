//! Products by cuBLASLt, which is opened when a program runs.

#[allow(unsafe_code)]
mod calls;

use crate::queue::{Queue, Turn, Waiting};
use crate::{By, Client, CudaRuntime, Epilogue, Product, Relu};
use a2d_device::Device;
use calls::{Key, Memory, Plan, Signs};
use cubecl::prelude::*;
use cubecl::server::Handle;
use cudarc::driver::CudaContext;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

/// The bytes of the workspace: what NVIDIA recommends for Hopper.
const WORKSPACE: usize = 32 << 20;

/// The most plans that are kept. Batches have ever new sizes, so there is no end of them.
const MOST_PLANS: usize = 8192;

/// The variable that turns the library off.
const SWITCH: &str = "A2D_CUBLASLT";

/// What computes products on CUDA's devices: found once.
pub fn found() -> By {
    static FOUND: OnceLock<By> = OnceLock::new();
    FOUND.get_or_init(find).clone()
}

fn find() -> By {
    if std::env::var(SWITCH).is_ok_and(|on| on == "0") {
        return By::Cubek(None);
    }
    calls::load().map_or_else(|why| By::Cubek(Some(why)), By::CublasLt)
}

/// cuBLASLt on one device, for the thread that has opened it.
pub struct Lt {
    library: Arc<calls::Library>,
    plans: RefCell<HashMap<Key, Option<Arc<Plan>>>>,
    workspace: Handle,
    queue: Queue,
    launched: Cell<usize>,
    failure: Arc<OnceLock<String>>,
    /// Algorithms are chosen in it; it is the one that CubeCL uses.
    context: Arc<CudaContext>,
}

impl Lt {
    /// Opens the library on a device that `client` has opened.
    ///
    /// # Errors
    ///
    /// Why it cannot be used.
    pub fn open(client: &Client, device: Device) -> Result<Self, String> {
        match (client, device) {
            (Client::Cuda(cuda), Device::Cuda(number)) => {
                let workspace = workspace(cuda)?;
                Self::on(Queue::open(client, device)?, number, workspace)
            }
            _ => Err(format!("{device} is not one of CUDA's")),
        }
    }

    fn on(queue: Queue, number: u32, workspace: Handle) -> Result<Self, String> {
        let context = CudaContext::new(number as usize).map_err(|e| format!("{e:?}"))?;
        let library = calls::Library::new().map_err(|e| format!("{:?}", e.0))?;
        let (plans, failure, library) = (RefCell::default(), Arc::default(), Arc::new(library));
        Ok(Self { library, plans, workspace, queue, launched: Cell::default(), failure, context })
    }

    /// Launches a product and its epilogue, or returns false where the library does not compute them.
    pub fn launch(&self, product: &Product<'_>, epilogue: &Epilogue<'_>) -> bool {
        if !self.queue.is_of_this_thread() {
            return false;
        }
        let Some(plan) = self.plan(key(product, epilogue)) else { return false };
        self.launched.set(self.launched.get() + 1);
        let work = Work {
            library: self.library.clone(),
            plan,
            operands: [product.a, product.b].map(Waiting::from),
            sum: epilogue.sum.map(Waiting::from),
            bias: epilogue.bias.or(epilogue.sums).map(|(x, _)| x.into()),
            signs: epilogue.relu.map(|(Relu::Forward(x) | Relu::Gradient(x))| x.into()),
            out: product.out.into(),
            workspace: (&self.workspace).into(),
        };
        let (failure, [m, n, k], precision) =
            (self.failure.clone(), product.dims, product.precision);
        self.queue.submit(move |turn| {
            if let Err(why) = work.launch(turn) {
                failure.get_or_init(|| format!("{m} x {k} by {k} x {n} in {precision}: {why}"));
            }
        });
        true
    }

    /// The number of products that were launched.
    pub fn launched(&self) -> usize {
        self.launched.get()
    }

    /// The first failure of a launch.
    pub fn failure(&self) -> Option<&str> {
        self.failure.get().map(String::as_str)
    }

    /// The plan of a product; none where the library has no algorithm.
    fn plan(&self, key: Key) -> Option<Arc<Plan>> {
        let mut plans = self.plans.borrow_mut();
        if plans.len() >= MOST_PLANS {
            plans.clear();
        }
        let new = || {
            self.context.bind_to_thread().ok()?;
            Plan::new(&self.library, &key, WORKSPACE).ok().map(Arc::new)
        };
        plans.entry(key).or_insert_with(new).clone()
    }
}

fn key(product: &Product<'_>, epilogue: &Epilogue<'_>) -> Key {
    let Product { precision, form, dims, batches, rounds, .. } = *product;
    let Epilogue { sum, bias, relu, sums } = *epilogue;
    let (adds, bias) = (sum.is_some(), bias.or(sums).map(|(_, step)| step));
    let relu = relu.map(|relu| match relu {
        Relu::Forward(_) => Signs::Kept,
        Relu::Gradient(_) => Signs::Taken,
    });
    Key { precision, form, dims, batches, rounds, adds, bias, relu, sums: sums.is_some() }
}

/// The workspace of all products, outside CubeCL's pools.
fn workspace(client: &ComputeClient<CudaRuntime>) -> Result<Handle, String> {
    let workspace = client.memory_persistent_allocation((), |()| client.empty(WORKSPACE));
    workspace.map_err(|e| format!("{WORKSPACE} bytes: {e:?}"))
}

/// A product on its way to the device's thread.
struct Work {
    library: Arc<calls::Library>,
    plan: Arc<Plan>,
    operands: [Waiting; 2],
    sum: Option<Waiting>,
    bias: Option<Waiting>,
    signs: Option<Waiting>,
    out: Waiting,
    workspace: Waiting,
}

impl Work {
    #[allow(unsafe_code)]
    fn launch(self, turn: &mut Turn<'_>) -> Result<(), String> {
        let mut at = |memory| turn.address(memory);
        let [a, b] = self.operands;
        let out = at(self.out)?;
        let memory = Memory {
            a: at(a)?,
            b: at(b)?,
            sum: self.sum.map_or(Ok(out), &mut at)?,
            bias: self.bias.map(&mut at).transpose()?,
            signs: self.signs.map(&mut at).transpose()?,
            out,
            workspace: at(self.workspace)?,
        };
        // SAFETY: `Product` and `Epilogue` say what their memory holds, and CubeCL frees memory in the order of the stream.
        let launched = unsafe { self.plan.launch(&self.library, &memory, turn.stream()) };
        launched.map_err(|e| format!("{:?}", e.0))
    }
}

//! The environment variables of MPI launchers, read before MPI starts.

use std::num::NonZeroUsize;

/// The position of this process among the processes of a launcher.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Launch {
    /// Rank, from 0.
    pub rank: usize,
    /// Number of processes.
    pub size: usize,
    /// `(rank, size)` among the processes on the same machine, rank from 0; `None` if the launcher does not set it.
    pub local: Option<(usize, usize)>,
    /// Whether the launcher bound each process to its own cores.
    bound: bool,
}

/// Variable names of one launcher.
struct Names {
    rank: &'static str,
    size: &'static str,
    local_rank: &'static str,
    local_size: &'static str,
}

const LAUNCHERS: [Names; 3] = [
    // Open MPI's mpirun.
    Names {
        rank: "OMPI_COMM_WORLD_RANK",
        size: "OMPI_COMM_WORLD_SIZE",
        local_rank: "OMPI_COMM_WORLD_LOCAL_RANK",
        local_size: "OMPI_COMM_WORLD_LOCAL_SIZE",
    },
    // Hydra: MPICH, Intel MPI.
    Names {
        rank: "PMI_RANK",
        size: "PMI_SIZE",
        local_rank: "MPI_LOCALRANKID",
        local_size: "MPI_LOCALNRANKS",
    },
    // Slurm's srun with PMIx. Slurm's own variables are also set in a batch script, so they do not suffice.
    Names {
        rank: "PMIX_RANK",
        size: "SLURM_STEP_NUM_TASKS",
        local_rank: "SLURM_LOCALID",
        local_size: "MPI_LOCALNRANKS",
    },
];

impl Launch {
    /// A single process.
    pub const ALONE: Self = Self { rank: 0, size: 1, local: None, bound: false };

    /// Reads the environment of this process.
    pub fn of_environment() -> Self {
        Self::of(|name| std::env::var(name).ok())
    }

    /// Reads variables through `variable`; [`Launch::ALONE`] if no launcher is recognised.
    pub fn of(variable: impl Fn(&str) -> Option<String>) -> Self {
        let number = |name: &str| variable(name)?.trim().parse::<usize>().ok();
        let told = |names: &Names| {
            let (rank, size) = (number(names.rank)?, number(names.size)?);
            let local = number(names.local_rank).zip(number(names.local_size));
            let bound = number("OMPI_MCA_orte_bound_at_launch") == Some(1);
            (rank < size).then_some(Self { rank, size, local, bound })
        };
        LAUNCHERS.iter().find_map(told).unwrap_or(Self::ALONE)
    }

    /// Whether this is rank 0, which prints and writes files.
    pub fn is_first(&self) -> bool {
        self.rank == 0
    }

    /// Threads for each process on this machine, of the `cores` available to this one. `None` if the process may use
    /// all cores.
    pub fn threads(&self, cores: usize) -> Option<NonZeroUsize> {
        let (_, beside) = self.local.filter(|&(_, beside)| beside > 1 && !self.bound)?;
        NonZeroUsize::new((cores / beside).max(1))
    }
}

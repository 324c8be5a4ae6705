//! Exhaustive checks; see `lock_simulation::exhaustive`.

fn main() -> std::process::ExitCode {
    lock_simulation::exhaustive::main()
}

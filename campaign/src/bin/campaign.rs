//! A campaign; see `lock_campaign`.

fn main() -> std::process::ExitCode {
    lock_campaign::main()
}

//! The `parlance` command.
use clap::Parser as _;
fn main() {
    let cli = parlance::config::Cli::parse();
    match cli.serve.validate() {
        Ok(s) => print!("{s}"),
        Err(p) => eprintln!("{p}"),
    }
    println!("{:?}", cli.command);
}

import Foundation

/// The program `belfry-bench`.
@main
enum BenchProgram {
    /// The jobs of child processes are no subcommands, so that the command line of a person knows scenarios only.
    static func main() async {
        let arguments = Array(CommandLine.arguments.dropFirst())
        switch arguments.first {
        case SwarmChild.argument: exit(await SwarmChild.main(Array(arguments.dropFirst())))
        case FanOutProcess.argument: exit(await FanOutProcess.main())
        default: await BenchCommand.main()
        }
    }
}

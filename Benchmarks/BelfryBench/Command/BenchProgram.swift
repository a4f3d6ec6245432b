import Foundation

/// The program `belfry-bench`.
@main
enum BenchProgram {
    static func main() async {
        let arguments = Array(CommandLine.arguments.dropFirst())
        // Not a subcommand, so that the command line of a person knows scenarios only.
        if arguments.first == SwarmChild.argument { exit(await SwarmChild.main(Array(arguments.dropFirst()))) }
        await BenchCommand.main()
    }
}

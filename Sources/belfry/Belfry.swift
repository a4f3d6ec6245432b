import BelfryCommands

@main
struct Belfry {
    static func main() async {
        await BelfryCommand.main()
    }
}

import Authentication

/// Who may do what is for operators.
enum OperatorRights {
    /// - Parameter right: what is asked for takes this much.
    static func require(_ right: OperatorRight, _ identity: Identity) throws(CommandRefusal) {
        guard identity.rights.operatorRight > .none else {
            throw CommandRefusal(.forbidden, "this is for operators: the token has no claim belfry.operator.")
        }
        guard identity.rights.operatorRight >= right else {
            throw CommandRefusal(
                .forbidden, "this user may look and not act: the token's claim belfry.operator is \"view\".")
        }
    }
}

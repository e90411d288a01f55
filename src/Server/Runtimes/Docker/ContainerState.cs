namespace McpCan.Server.Runtimes.Docker;

/// <summary>What a container's run is known by; lies outside of what the workload can see.</summary>
internal sealed record ContainerState
{
    public required string InstallationId { get; init; }
    public required string Environment { get; init; }
    public required string InstanceId { get; init; }
    public required long Generation { get; init; }
    public required int Run { get; init; }
    public required string Container { get; init; }
    public required string Address { get; init; }
    public required string[] LimitsInForce { get; init; }
    public string? Image { get; init; }
    public required DateTimeOffset StartedAt { get; init; }
    public long MemoryBytes { get; init; }
    public string[] Groups { get; init; } = [];
    /// <summary>Where it may connect to, when there is a list of it.</summary>
    public EgressList? Egress { get; init; }
    /// <summary>Set once the bridge has answered.</summary>
    public bool Ready { get; init; }

    public WorkloadStatus Status => new()
    {
        InstanceId = InstanceId,
        Generation = Generation,
        Address = Address,
        Run = Run,
        StartedAt = StartedAt,
        Isolation = IsolationLevel.Container,
        LimitsInForce = LimitsInForce,
        Image = Image,
    };
}

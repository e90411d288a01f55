namespace McpCan.Server.Instances;

/// <summary>The modes of an instance.</summary>
public static class InstanceModes
{
    /// <summary>We run it.</summary>
    public const string Managed = "managed";
    /// <summary>A remote server behind the gateway.</summary>
    public const string Proxy = "proxy";
    /// <summary>Its configuration is kept and handed out; clients speak to it themselves.</summary>
    public const string Direct = "direct";

    /// <summary>Chosen parts of other instances under one address.</summary>
    public const string Virtual = "virtual";

    /// <summary>All of them.</summary>
    public static IReadOnlyList<string> All { get; } = [Managed, Proxy, Direct, Virtual];

    /// <summary>The field that the mode needs and the instance lacks, with the reason; null when it has all.</summary>
    public static (string Field, string Message)? Missing(Instance instance) => instance.Mode switch
    {
        Managed when instance.Source is null => ("source", "A managed server needs a source: a command, a package or an image."),
        Proxy when instance.Remote is null => ("remote", "A proxied server needs 'remote' with the address of the server."),
        Direct when instance is { Remote: null, Source: not CommandSource } => ("remote", "A server on file needs 'remote' with its address, or a command as its source."),
        Virtual when instance.Virtual is null => ("virtual", "A virtual server needs 'virtual' with its members."),
        _ => null,
    };
}

namespace McpCan.Server.Hosting;

/// <summary>A platform-wide value, for example the installation id.</summary>
public sealed class Setting
{
    /// <summary>Name.</summary>
    public required string Key { get; set; }
    /// <summary>Value.</summary>
    public required string Value { get; set; }
}

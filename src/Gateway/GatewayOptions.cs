namespace McpCan.Gateway;

/// <summary>Settings of the gateway.</summary>
public sealed class GatewayOptions
{
    /// <summary>Address under which clients reach the gateway; its host may be named by requests.</summary>
    public string? PublicUrl { get; set; }

    /// <summary>Hosts that requests may name besides loopback and <see cref="PublicUrl"/>; <c>*.example.com</c> takes every name below, <c>*</c> switches the check off.</summary>
    public string[] AllowedHosts { get; set; } = [];

    /// <summary>Browser origins that may call besides our own and loopback, for example <c>https://app.example.com</c>; <c>*</c> takes every origin.</summary>
    public string[] AllowedOrigins { get; set; } = [];

    /// <summary>How many opened session ids are remembered; more are opened again when used.</summary>
    public int RememberedSessions { get; set; } = 20_000;

    /// <summary>How often the tokens of open exchanges are checked again.</summary>
    public TimeSpan TokenRecheck { get; set; } = TimeSpan.FromMilliseconds(500);

    /// <summary>How long connecting to a server may take.</summary>
    public TimeSpan ConnectTimeout { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>Addresses beyond public ones that remote servers may have: <c>loopback</c>, <c>private</c>, or networks such as <c>10.1.0.0/16</c>. None by default.</summary>
    public string[] EgressAllow { get; set; } = [];

    /// <summary>How long, at the least, a client may leave an answer unread before its connection is ended (240 bytes a second count as reading).</summary>
    public TimeSpan UnreadLimit { get; set; } = TimeSpan.FromMinutes(2);

    /// <summary>How long calls may go on when the program stops; waiting streams end at once.</summary>
    public TimeSpan StopGrace { get; set; } = TimeSpan.FromSeconds(2);
}

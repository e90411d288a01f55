using System.Buffers;
using System.Buffers.Text;
using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.Extensions.Options;

namespace McpCan.Gateway;

/// <summary>What a sealed session id says. The client's name may come later (HTTP+SSE opens the session before <c>initialize</c>).</summary>
internal sealed record SessionTicket(
    GatewayEndpoint Endpoint, string InstanceId, long Generation, string UpstreamSession, string Principal, DateTimeOffset IssuedAt)
{
    /// <summary>The gateway process that holds the session, where it is one that a gateway converts (<see cref="SessionSeal.Replica"/>); null for sessions that every process can go on with.</summary>
    public string? Replica { get; init; }
    public string? ClientName { get; set; }
    public string? ClientVersion { get; set; }

    /// <summary>Groups the records of a session without disclosing its id.</summary>
    public string LogName { get; } = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(UpstreamSession)).AsSpan(0, 4));

    public bool Fits(GatewayEndpoint endpoint, GatewayRoute route, string principal) =>
        Endpoint == endpoint && InstanceId == route.InstanceId && Principal == principal
        && (route.UpstreamOf(Generation) is not null || route.Remote is { } remote && Remote.RemoteGeneration.Fits(Generation, remote)
            || route.Virtual is { } offer && Generation == Virtual.VirtualHosts.Generation(offer)
            || route.Sleep is { } sleep && Generation == Sleep.SleepHosts.Generation(sleep));
}

/// <summary>
/// Turns a server's session id into the one that the client sees, and back. The sealed id carries everything, so any replica opens it
/// and a restart loses nothing; what was opened is remembered, because opening costs more than the rest of a request.
/// </summary>
internal sealed class SessionSeal(IDataProtectionProvider protection, IOptions<GatewayOptions> options)
{
    private const byte Version = 1, HasReplica = 0x80;
    private const int LongestSealed = 2048;
    // Names of clients get the room that is left: with it the sealed id stays below 256 characters, a limit that some clients have.
    private const int RoomInside = 95;

    private readonly IDataProtector _protector = protection.CreateProtector("mcp-session");
    private readonly int _half = Math.Max(1, options.Value.RememberedSessions / 2);
    // Two generations: the young one is filled, then becomes the old one, and what nobody used since is forgotten.
    private ConcurrentDictionary<string, SessionTicket> _young = new(StringComparer.Ordinal);
    private ConcurrentDictionary<string, SessionTicket> _old = new(StringComparer.Ordinal);
    private int _count;

    /// <summary>Names this process, for sessions that live in it and end with it.</summary>
    public string Replica { get; } = RandomNumberGenerator.GetHexString(8, lowercase: true);

    public string Seal(SessionTicket ticket)
    {
        using var bytes = new MemoryStream(192);
        using (var writer = new BinaryWriter(bytes, Encoding.UTF8, leaveOpen: true))
        {
            writer.Write(Version);
            writer.Write((byte)((byte)ticket.Endpoint | (ticket.Replica is null ? 0 : HasReplica)));
            if (ticket.Replica is { } replica) writer.Write(replica);
            writer.Write(ticket.InstanceId);
            writer.Write7BitEncodedInt64(ticket.Generation);
            WriteSession(writer, ticket.UpstreamSession);
            writer.Write(ticket.Principal);
            writer.Write7BitEncodedInt64(ticket.IssuedAt.ToUnixTimeSeconds());
            writer.Flush();
            var room = RoomInside - 2 - (int)bytes.Length;
            writer.Write(Short(ticket.ClientVersion, Math.Min(12, room)));
            writer.Flush();
            writer.Write(Short(ticket.ClientName, RoomInside - 1 - (int)bytes.Length));
        }
        var sealedId = Base64Url.EncodeToString(_protector.Protect(bytes.ToArray()));
        Remember(sealedId, ticket);
        return sealedId;
    }

    /// <summary>The ticket inside, or null when we did not seal it, or when the session lives in another process.</summary>
    public SessionTicket? Open(string sealedId) => Known(sealedId) is { } ticket && (ticket.Replica is null || ticket.Replica == Replica) ? ticket : null;

    private SessionTicket? Known(string sealedId)
    {
        if (_young.TryGetValue(sealedId, out var ticket)) return ticket;
        if (!_old.TryGetValue(sealedId, out ticket)) ticket = Unseal(sealedId);
        if (ticket is not null) Remember(sealedId, ticket);
        return ticket;
    }

    private SessionTicket? Unseal(string sealedId)
    {
        if (sealedId.Length > LongestSealed || !Base64Url.IsValid(sealedId)) return null;
        try
        {
            using var reader = new BinaryReader(new MemoryStream(_protector.Unprotect(Base64Url.DecodeFromChars(sealedId))), Encoding.UTF8);
            if (reader.ReadByte() != Version) return null;
            var kind = reader.ReadByte();
            var replica = (kind & HasReplica) == 0 ? null : reader.ReadString();
            return new((GatewayEndpoint)(kind & ~HasReplica), reader.ReadString(), reader.Read7BitEncodedInt64(), ReadSession(reader), reader.ReadString(),
                DateTimeOffset.FromUnixTimeSeconds(reader.Read7BitEncodedInt64()))
            {
                Replica = replica,
                ClientVersion = Text(reader.ReadString()),
                ClientName = Text(reader.ReadString()),
            };
        }
        catch (CryptographicException)
        {
            return null;
        }
    }

    private void Remember(string sealedId, SessionTicket ticket)
    {
        if (!_young.TryAdd(sealedId, ticket) || Interlocked.Increment(ref _count) <= _half) return;
        lock (_protector)
        {
            if (_count <= _half) return;
            _old = _young;
            _young = new(StringComparer.Ordinal);
            _count = 0;
        }
    }

    // Our bridge's ids are hexadecimal: half the room.
    private static void WriteSession(BinaryWriter writer, string session)
    {
        var packed = new byte[session.Length / 2];
        var isHex = Convert.FromHexString(session, packed, out _, out _) == OperationStatus.Done && Convert.ToHexStringLower(packed) == session;
        writer.Write(isHex);
        if (!isHex)
        {
            writer.Write(session);
            return;
        }
        writer.Write7BitEncodedInt(packed.Length);
        writer.Write(packed);
    }

    private static string ReadSession(BinaryReader reader) =>
        reader.ReadBoolean() ? Convert.ToHexStringLower(reader.ReadBytes(reader.Read7BitEncodedInt())) : reader.ReadString();

    // Cut by bytes of UTF-8, and never inside a character.
    private static string Short(string? text, int room)
    {
        if (text is null || room <= 0) return "";
        while (Encoding.UTF8.GetByteCount(text) > room) text = text[..(text.Length > room ? room : text.Length - 1)];
        return text.Length > 0 && char.IsHighSurrogate(text[^1]) ? text[..^1] : text;
    }

    private static string? Text(string text) => text.Length == 0 ? null : text;
}

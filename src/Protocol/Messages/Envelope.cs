using System.Runtime.InteropServices;
using System.Text.Json;

namespace McpCan.Protocol.Messages;

/// <summary>Where a value stands in a message.</summary>
public readonly record struct TextRange(int Start, int Length)
{
    /// <summary>Whether the value is there at all.</summary>
    public bool IsPresent => Length > 0;
    /// <summary>The first byte after the value.</summary>
    public int End => Start + Length;
    /// <summary>The value's bytes.</summary>
    public ReadOnlySpan<byte> Of(ReadOnlySpan<byte> message) => message.Slice(Start, Length);
}

/// <summary>What a JSON-RPC message is.</summary>
public enum MessageKind : byte
{
    /// <summary>Valid JSON, but no JSON-RPC message.</summary>
    Invalid,
    /// <summary>It has a method and an id.</summary>
    Request,
    /// <summary>It has a method and no id.</summary>
    Notification,
    /// <summary>It has a result or an error.</summary>
    Response,
    /// <summary>An array of messages (2025-03-26 only).</summary>
    Batch,
}

/// <summary>The methods that a bridge treats in a special way.</summary>
public enum KnownMethod : byte
{
    /// <summary>Any other method.</summary>
    Other,
    /// <summary>initialize</summary>
    Initialize,
    /// <summary>notifications/initialized</summary>
    Initialized,
    /// <summary>ping</summary>
    Ping,
    /// <summary>notifications/cancelled</summary>
    Cancelled,
    /// <summary>notifications/progress</summary>
    Progress,
    /// <summary>notifications/message</summary>
    LogMessage,
    /// <summary>notifications/(tools|prompts|resources)/list_changed</summary>
    ListChanged,
    /// <summary>notifications/resources/updated</summary>
    ResourceUpdated,
    /// <summary>notifications/roots/list_changed</summary>
    RootsChanged,
    /// <summary>resources/subscribe</summary>
    Subscribe,
    /// <summary>resources/unsubscribe</summary>
    Unsubscribe,
    /// <summary>logging/setLevel</summary>
    SetLevel,
    /// <summary>server/discover (2026-07-28)</summary>
    Discover,
    /// <summary>subscriptions/listen (2026-07-28)</summary>
    Listen,
    /// <summary>tools/call</summary>
    CallTool,
    /// <summary>prompts/get</summary>
    GetPrompt,
    /// <summary>resources/read</summary>
    ReadResource,
    /// <summary>tools/list, prompts/list, resources/list or resources/templates/list</summary>
    List,
}

/// <summary>The parts of a JSON-RPC message that a bridge needs: positions only, the bytes stay where they are.</summary>
[StructLayout(LayoutKind.Auto)]
public struct Envelope
{
    /// <summary>What the message is.</summary>
    public MessageKind Kind { get; internal set; }
    /// <summary>The method, when it is one that matters.</summary>
    public KnownMethod Method { get; internal set; }
    /// <summary>The type of the id.</summary>
    public JsonTokenType IdType { get; internal set; }
    /// <summary>The id as written.</summary>
    public TextRange Id { get; internal set; }
    /// <summary>The method as written, with quotes.</summary>
    public TextRange MethodName { get; internal set; }
    /// <summary><c>params._meta.progressToken</c>, or <c>params.progressToken</c> of a progress notification.</summary>
    public TextRange ProgressToken { get; internal set; }
    /// <summary><c>params.requestId</c> (notifications/cancelled).</summary>
    public TextRange RequestId { get; internal set; }
    /// <summary><c>params.name</c> as written, with quotes.</summary>
    public TextRange Name { get; internal set; }
    /// <summary><c>params.uri</c> as written, with quotes.</summary>
    public TextRange Uri { get; internal set; }
    /// <summary><c>protocolVersion</c> of an initialize request.</summary>
    public TextRange ProtocolVersion { get; internal set; }
    /// <summary><c>params.clientInfo</c> of an initialize request, or <c>params._meta["io.modelcontextprotocol/clientInfo"]</c>.</summary>
    public TextRange ClientInfo { get; internal set; }
    /// <summary><c>params.capabilities</c> of an initialize request, or <c>params._meta["io.modelcontextprotocol/clientCapabilities"]</c>.</summary>
    public TextRange ClientCapabilities { get; internal set; }
    /// <summary><c>params._meta["io.modelcontextprotocol/logLevel"]</c>, or <c>params.level</c> of a logging/setLevel request.</summary>
    public TextRange LogLevel { get; internal set; }
    /// <summary><c>params._meta["io.modelcontextprotocol/subscriptionId"]</c>.</summary>
    public TextRange SubscriptionId { get; internal set; }
    /// <summary><c>params</c>, when it is an object.</summary>
    public TextRange Params { get; internal set; }
    /// <summary><c>params._meta</c>, when it is an object.</summary>
    public TextRange Meta { get; internal set; }
    /// <summary><c>params.arguments</c></summary>
    public TextRange Arguments { get; internal set; }
    /// <summary><c>params.notifications</c>: the filter of a subscriptions/listen request.</summary>
    public TextRange Filter { get; internal set; }
    /// <summary><c>params.inputResponses</c> (2026-07-28, multi round-trip requests)</summary>
    public TextRange InputResponses { get; internal set; }
    /// <summary><c>params.requestState</c> (2026-07-28, multi round-trip requests)</summary>
    public TextRange RequestState { get; internal set; }
    /// <summary><c>params._meta["io.modelcontextprotocol/protocolVersion"]</c>: the message is of the modern era.</summary>
    public TextRange ModernVersion { get; internal set; }
    /// <summary>Whether the message has a result, and where it begins (its length is known only after a whole read).</summary>
    public TextRange Result { get; internal set; }

    /// <summary>The id as one of our own integers (also when a server echoes it as a string), or -1.</summary>
    public readonly long OwnId(ReadOnlySpan<byte> message) => ReadInteger(Id.Of(message));

    /// <summary>The integer in a JSON number or string, or -1.</summary>
    public static long ReadInteger(ReadOnlySpan<byte> value)
    {
        if (value is [(byte)'"', .., (byte)'"']) value = value[1..^1];
        return System.Buffers.Text.Utf8Parser.TryParse(value, out long number, out var used) && used == value.Length ? number : -1;
    }
}

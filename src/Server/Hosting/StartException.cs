namespace McpCan.Server.Hosting;

/// <summary>The program cannot start; the message is a sentence for people and is all that they get to see.</summary>
public sealed class StartException(string message, Exception? inner = null) : Exception(message, inner);

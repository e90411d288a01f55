using System.Text.Json;
using McpCan.Bridge;

// What a socket brings is handled on the thread that noticed it: half the CPU of a call was the hop to another.
Environment.SetEnvironmentVariable(ChildHost.InlineSockets, "1");

switch (args)
{
    case ["--config", var path]:
        try
        {
            return await BridgeApp.RunAsync(BridgeConfig.Load(path));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or JsonException or InvalidDataException)
        {
            await Console.Error.WriteLineAsync($"mcpcan-bridge: {e.Message}");
            return 2;
        }
    case ["--guard", var mark]:
        return Guard.Run(mark);
    default:
        await Console.Error.WriteLineAsync("usage: mcpcan-bridge --config FILE");
        return 2;
}

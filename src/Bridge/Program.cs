using System.Text.Json;
using McpCan.Bridge;

// What a socket brings is handled on the thread that noticed it: half the CPU of a call was the hop to another.
Environment.SetEnvironmentVariable(ChildHost.InlineSockets, "1");

switch (args)
{
    case ["--config", var path, .. [] or ["--wait"]]:
        try
        {
            // In a container: what starts us gives the configuration once the network is as it has to be.
            while (args.Length > 2 && !File.Exists(path)) await Task.Delay(10);
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
        await Console.Error.WriteLineAsync("usage: mcpcan-bridge --config FILE [--wait]");
        return 2;
}

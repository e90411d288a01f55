using McpCan.Server;
using McpCan.Server.Runtimes;

return SandboxExec.Run(args) ?? await Cli.RunAsync(args);

using System.Runtime.InteropServices;

namespace McpCan.Server.Runtimes;

/// <summary>Pseudo-terminals.</summary>
internal static unsafe partial class Linux
{
    public const int ReadWrite = 2;
    private const int NoControllingTerminal = 0x100;
    private const nuint TerminalNumber = 0x80045430, TerminalLock = 0x40045431, TerminalSize = 0x5414;

    /// <summary>Makes a pseudo-terminal; the result is our end and the number of the other.</summary>
    public static (int File, int Number) OpenTerminal()
    {
        var file = Open("/dev/ptmx", ReadWrite | NoControllingTerminal | OpenCloseOnExec, 0);
        int number = 0, unlocked = 0;
        if (file >= 0 && Control(file, TerminalNumber, &number) == 0 && Control(file, TerminalLock, &unlocked) == 0) return (file, number);
        var error = Marshal.GetLastPInvokeError();
        if (file >= 0) _ = Close(file);
        throw new IOException($"This machine gives no pseudo-terminal (error {error}).");
    }

    public static int OpenTerminalEnd(string path) => Open(path, ReadWrite | NoControllingTerminal | OpenCloseOnExec, 0);

    public static void ResizeTerminal(int file, int columns, int rows)
    {
        var size = stackalloc ushort[4] { (ushort)rows, (ushort)columns, 0, 0 };
        _ = Control(file, TerminalSize, size);
    }

    [LibraryImport("libc", EntryPoint = "ioctl", SetLastError = true)]
    private static partial int Control(int file, nuint request, void* argument);
}

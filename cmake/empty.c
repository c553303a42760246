/* An archive needs one member; a folder may have nothing yet. */
extern int kis_empty_folder;

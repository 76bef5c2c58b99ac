/*=========================================================================
 *
 *  Copyright itk-universeg developers
 *
 *  Licensed under the Apache License, Version 2.0 (the "License");
 *  you may not use this file except in compliance with the License.
 *  You may obtain a copy of the License at
 *
 *         https://www.apache.org/licenses/LICENSE-2.0.txt
 *
 *  Unless required by applicable law or agreed to in writing, software
 *  distributed under the License is distributed on an "AS IS" BASIS,
 *  WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
 *  See the License for the specific language governing permissions and
 *  limitations under the License.
 *
 *=========================================================================*/
#ifndef itkNNImageFile_h
#define itkNNImageFile_h

#include "UniverSegImageIOExport.h"
#include "itkImage.h"
#include "itkImageIOBase.h"
#include "itkNNDataType.h"

#include <array>
#include <string>
#include <vector>

namespace itk
{
namespace nn
{
/** Pixels of a file as they are, and what kind of file it was. An image of two
 * dimensions is a volume of one slice. \ingroup UniverSegImageIO */
struct LoadedImage
{
  std::string fileName;
  unsigned int dimension = 2;             ///< of the file: 2 or 3
  unsigned int components = 1;            ///< of a pixel: 1 to 4
  DataType pixelType = DataType::Float32; ///< of the file's values; Float64 where there is no type for them
  Image<float, 3>::Pointer geometry;      ///< its pixels are those of the first component
  std::vector<float> pixels;              ///< components fastest, then the first axis
};

/** What is known of an image without its pixels. \ingroup UniverSegImageIO */
struct ImageHeader
{
  unsigned int dimension = 2; ///< of the file: 2 or 3
  std::size_t slices = 1;
};

/** Read a file in any format that is registered with ITK, or a folder with a
 * DICOM series. Throws Error that names the file, also when the file is cut or
 * the slices of the series are not evenly spaced.
 * \param series UID of the series when the folder has several.
 * \ingroup UniverSegImageIO */
UniverSegImageIO_EXPORT LoadedImage ReadImageFile(const std::string & name, const std::string & series = "");

/** As ReadImageFile(), but a file of scalars may have four dimensions: along the last are the
 * components, as many as there are. \ingroup UniverSegImageIO */
UniverSegImageIO_EXPORT LoadedImage ReadMultichannelImageFile(const std::string & name,
                                                              const std::string & series = "");

/** As ReadImageFile(), but the pixels are not looked at. \ingroup UniverSegImageIO */
UniverSegImageIO_EXPORT ImageHeader ReadImageFileHeader(const std::string & name, const std::string & series = "");

/** Fields of the header of a NIfTI-1 file, as its format names them. \ingroup UniverSegImageIO */
struct NiftiHeader
{
  int dimInfo = 0;
  std::array<int, 8> dim{};
  int datatype = 0;
  int bitpix = 0;
  std::array<float, 8> pixdim{};
  float sclSlope = 0;
  float sclInter = 0;
  std::array<std::array<float, 4>, 3> srow{}; ///< srow_x, srow_y, srow_z
};

/** Throws Error that names the file when it cannot be read or is no NIfTI-1 file, packed or not.
 * \ingroup UniverSegImageIO */
UniverSegImageIO_EXPORT NiftiHeader ReadNiftiHeader(const std::string & fileName);

/** Throws Error when a file ends too early; some of ITK's readers go on with what
 * the memory held.
 * \param io that has read the file's header. \ingroup UniverSegImageIO */
UniverSegImageIO_EXPORT void CheckImageFileComplete(const std::string & fileName, const ImageIOBase & io);

/** What an exception of ITK says, without class names and addresses.
 * \ingroup UniverSegImageIO */
UniverSegImageIO_EXPORT std::string GetReason(const ExceptionObject & error);
} // namespace nn
} // namespace itk

#endif
